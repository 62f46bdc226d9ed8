"""KnowGLM in the browser: `python webui.py --help`."""

from ui.main import main

if __name__ == "__main__":
    main()
