"""Fine-tuned additions to a base model, told apart by the files in their folder."""

from pathlib import Path

from core.messages import Message
from core.model_errors import AdapterRefused
from models.chatglm.lora import CONFIG_FILE, LoraAdapter, load_lora
from models.chatglm.prefix import PrefixAdapter, load_prefix
from models.chatglm.weight_files import no_access

Adapter = LoraAdapter | PrefixAdapter

_UNKNOWN = Message(
    "目录里没有 adapter_config.json（LoRA），也没有 config.json（P-Tuning v2）",
    "the folder holds neither adapter_config.json (LoRA) nor config.json (P-Tuning v2)",
)


def open_adapter(folder: Path) -> Adapter:
    """Read a LoRA adapter of PEFT, or a P-Tuning v2 checkpoint of the official ChatGLM scripts.

    Raises:
        AdapterRefused: it is of another kind, or it could not be applied exactly as it was trained.
        CheckpointUnreadable: one of its files is missing, damaged, could run code, or cannot be opened.
    """
    try:
        files = {path.name for path in folder.iterdir()}
    except OSError as error:
        raise no_access(folder, error) from error
    if CONFIG_FILE in files:
        return load_lora(folder)
    if "config.json" in files:
        return load_prefix(folder)
    raise AdapterRefused(path=folder, why=_UNKNOWN)
