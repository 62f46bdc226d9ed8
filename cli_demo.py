"""KnowGLM on the command line: `python cli_demo.py --help`."""

from cli.app import main

if __name__ == "__main__":
    main()
