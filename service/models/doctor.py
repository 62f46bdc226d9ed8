"""A look at everything that the program needs: what is there, what is wrong, and the one line that cures it."""

import re
from collections.abc import Iterator, Sequence

from configs.hub import hub_endpoint, hub_token
from configs.model_config import Settings
from core.errors import ConfigError, KnowGLMError
from core.messages import Language, Message, literal
from core.model_errors import ModelError
from models.devices import Device
from service.models.doctor_machine import (
    Area,
    Check,
    Level,
    check_cpm_kernels,
    check_devices,
    check_packages,
    check_python,
    check_space,
    check_writable,
    composed,
)
from service.models.inventory import MARGIN_GB, Inventory, ModelEntry, ModelKind, take_inventory

_LISTED = 4  # missing files that are named
_ONLINE_S = 5.0
_JOINS: tuple[tuple[Language, str], ...] = (("zh", "；"), ("en", "; "))

_BUILT_IN = Message("{name}：不需要权重", "{name}: needs no weights")
_ABSENT = Message("{name} 的权重不在 {folder}", "the weights of {name} are not in {folder}")
_INCOMPLETE = Message("{name}（{folder}）：{problems}", "{name} ({folder}): {problems}")
_COMPLETE = Message("{name}：文件齐全，{size:.1f} GB，{folder}", "{name}: complete, {size:.1f} GB, {folder}")
_DOWNLOAD = Message("python cli_demo.py models download {name}", "python cli_demo.py models download {name}")
_CHECK_FOLDER = Message(
    "检查 {variable} 指的目录，补齐文件。", "Check the folder that {variable} names, complete its files."
)
_CODE = Message("目录里的代码从不执行：{files}", "code in the folder is never run: {files}")
_SERVER = Message("由服务 {url} 提供（没有连接它）", "on the server {url} (which was not contacted)")
_ANSWERS = Message("服务 {url} 有回应", "the server {url} answers")
_FITS = Message(
    "{name} 以 {precisions} 放得下（需要 {needed} GB，另留 {margin:.1f}）",
    "{name} fits in {precisions} (needs {needed} GB, and {margin:.1f} besides)",
)
_NO_SUCH_PRECISION = Message("{name} 不能以 {precision} 运行", "{name} does not run in {precision}")
_TOO_LARGE = Message(
    "{name} 以 {precision} 需要 {needed:.1f} GB，另留 {margin:.1f}，可用 {free:.1f}",
    "{name} needs {needed:.1f} GB in {precision} and {margin:.1f} besides, {free:.1f} are free",
)
_SET_PRECISION = Message("设 KNOWGLM_PRECISION={precision}。", "Set KNOWGLM_PRECISION={precision}.")
_SMALLER = Message("换小一些的模型，放得下的有：{names}。", "Choose a smaller model; these fit: {names}.")
_ELSEWHERE = Message("用 KNOWGLM_LLM_URL 连接别处的服务。", "Name a server elsewhere with KNOWGLM_LLM_URL.")
_HUB = Message(
    "模型从 {endpoint} 下载，{token}（没有连接它）", "models come from {endpoint}, {token} (which was not contacted)"
)
_WITH_TOKEN = Message("有令牌", "with a token")
_WITHOUT_TOKEN = Message("没有令牌", "without a token")
_SETTINGS = Message("与默认值不同：{listed}", "differ from the defaults: {listed}")
_DEFAULTS = Message("全部是默认值", "all are the defaults")


def diagnose(settings: Settings, *, online: bool = False) -> list[Check]:
    """Look at everything. Nothing is contacted unless `online`, which asks the configured model servers for a list."""
    devices, device_checks = check_devices(settings.device)
    inventory = take_inventory(settings, devices)
    return [
        check_python(),
        *check_packages(),
        *_check_model("llm", inventory, settings, online=online),
        *_check_model("embedding", inventory, settings, online=online),
        *device_checks,
        *_check_memory(inventory, settings),
        check_space("disk", settings.model_dir, "KNOWGLM_MODEL_DIR", _missing_gb(inventory)),
        check_space("disk", settings.data_dir, "KNOWGLM_DATA_DIR"),
        check_writable(settings.data_dir),
        check_cpm_kernels(),
        _check_hub(),
        _check_settings(settings),
    ]


def _check_model(kind: ModelKind, inventory: Inventory, settings: Settings, *, online: bool) -> Iterator[Check]:
    entry = inventory.configured(kind)
    if entry is None:
        url = settings.llm_url if kind == "llm" else settings.embedding_url
        yield _contact(kind, settings) if online else Check(kind, "ok", _SERVER.filled(url=_shown(url)))
        return
    report, folder, name = entry.report, entry.folder, entry.name
    cure = _DOWNLOAD if entry.spec.repository else _CHECK_FOLDER
    cure = cure.filled(name=name, variable=f"KNOWGLM_{kind.upper()}")
    if folder is None:
        yield Check(kind, "ok", _BUILT_IN.filled(name=name))
    elif report.state == "absent":
        level: Level = "problem" if settings.missing_model == "error" else "warning"
        yield Check(kind, level, _ABSENT.filled(name=name, folder=folder), cure)
    elif report.state == "incomplete":
        yield Check(
            kind, "problem", composed(_INCOMPLETE, name=name, folder=folder, problems=_listed(report.problems)), cure
        )
    else:
        yield Check(kind, "ok", _COMPLETE.filled(name=name, folder=folder, size=report.size_bytes / 1e9))
    if report.code_files:
        yield Check(kind, "ok", _CODE.filled(files=", ".join(report.code_files)))


def _contact(kind: ModelKind, settings: Settings) -> Check:
    """Ask a model server for its list of models."""
    from models.server_connection import ServerConnection
    from models.server_errors import CHAT_SETTINGS, EMBEDDING_SETTINGS

    is_llm = kind == "llm"
    key = settings.llm_api_key if is_llm else settings.embedding_api_key
    try:
        with ServerConnection(
            url=settings.llm_url if is_llm else settings.embedding_url,
            model=settings.llm if is_llm else settings.embedding,
            api_key=key.get_secret_value(),
            timeout_s=min(settings.server_timeout_s, _ONLINE_S),
            settings=CHAT_SETTINGS if is_llm else EMBEDDING_SETTINGS,
        ) as connection:
            connection.get("models")
            return Check(kind, "ok", _ANSWERS.filled(url=connection.url))
    except (ModelError, ConfigError) as error:
        return _problem(kind, error)


def _check_memory(inventory: Inventory, settings: Settings) -> list[Check]:
    """Compare the configured model and precision with the memory that is free now."""
    entry, devices = inventory.configured("llm"), inventory.devices
    if entry is None or not entry.memory_gb or not devices:
        return []
    name, wanted = entry.name, settings.precision
    level: Level = "problem" if entry.state == "complete" else "warning"
    if wanted != "auto" and wanted not in entry.memory_gb:
        found = _NO_SUCH_PRECISION.filled(name=name, precision=wanted)
        return [Check("memory", level, found, _SET_PRECISION.filled(precision="auto"))]
    fitting = [precision for precision in entry.fitting if wanted in ("auto", precision)]
    if fitting:
        needed = " / ".join(f"{entry.memory_gb[precision]:.1f}" for precision in fitting)
        found = _FITS.filled(name=name, precisions=" / ".join(fitting), needed=needed, margin=MARGIN_GB)
        return [Check("memory", "ok", found)]
    smallest = min(entry.memory_gb, key=entry.memory_gb.__getitem__) if wanted == "auto" else wanted
    found = _TOO_LARGE.filled(
        name=name, precision=smallest, needed=entry.memory_gb[smallest], margin=MARGIN_GB, free=_free(devices)
    )
    return [Check("memory", level, found, _what_fits(entry, inventory))]


def _what_fits(entry: ModelEntry, inventory: Inventory) -> Message:
    if entry.fitting:
        return _SET_PRECISION.filled(precision=entry.fitting[0])
    smaller = [other.name for other in inventory.models if other.fitting]
    return _SMALLER.filled(names=", ".join(smaller[:_LISTED])) if smaller else _ELSEWHERE


def _check_hub() -> Check:
    try:
        token = _WITH_TOKEN if hub_token() else _WITHOUT_TOKEN
        return Check("hub", "ok", composed(_HUB, endpoint=_shown(hub_endpoint()), token=token))
    except ConfigError as error:
        return _problem("hub", error)


def _check_settings(settings: Settings) -> Check:
    fields = type(settings).model_fields
    set_here = {name: getattr(settings, name) for name in fields if name in settings.model_fields_set}
    changed = [
        f"KNOWGLM_{name.upper()}={_shown(str(value))}"  # a key prints as asterisks
        for name, value in set_here.items()
        if value != fields[name].default
    ]
    return Check("settings", "ok", _SETTINGS.filled(listed=", ".join(changed)) if changed else _DEFAULTS)


def _missing_gb(inventory: Inventory) -> float:
    """Return what the configured models still have to be given, in GB."""
    entries = [entry for entry in inventory.models if entry.configured and entry.state != "complete"]
    return sum(max(entry.download_gb - entry.report.size_bytes / 1e9, 0) for entry in entries)


def _problem(area: Area, error: KnowGLMError) -> Check:
    found, cure = (literal(of("zh"), of("en")) for of in (error.reason, error.advice))
    return Check(area, "problem", found, cure)


def _listed(problems: Sequence[Message]) -> Message:
    shown = problems[:_LISTED]
    more = f" … ({len(problems)})" if len(problems) > len(shown) else ""
    return literal(
        *(separator.join(problem.text(language) for problem in shown) + more for language, separator in _JOINS)
    )


def _free(devices: Sequence[Device]) -> float:
    return sum(device.free_gb for device in devices)


def _shown(address: str) -> str:
    """Return an address without the password it may hold."""
    return re.sub(r"//[^/@]*@", "//***@", address)
