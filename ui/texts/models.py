"""What the models tab says, in both languages."""

from core.messages import Message

# --- what runs now ---
NOW = Message("现在的语言模型", "The language model now")
RUNS = Message("回答由 {model} 写", "{model} writes the answers")
RUNS_EMBEDDED = Message(
    "内置模式：不用语言模型，答案是文档原句", "Embedded mode: no language model, answers are sentences of the documents"
)
IN_MEMORY = Message("已载入内存", "in memory")
NOT_IN_MEMORY = Message("还没有载入，下一个问题会载入它", "not in memory; the next question loads it")
ADAPTER_ON = Message("微调权重 {name} 已生效", "the adapter {name} is in force")
ADAPTER_LATER = Message("微调权重 {name} 会随模型载入", "the adapter {name} will be loaded with the model")
ADAPTER_OFF = Message("微调权重 {name} 没有生效", "the adapter {name} is not in force")
CONFIRM_UNLOAD = Message(
    "从内存中卸载 {name}？正在写的回答会先写完；下一个问题会再次载入它。",
    "Unload {name} from memory? Answers that are being written are finished first; the next question loads it again.",
)
LASTS = Message(
    "在这里做的更改只到程序结束为止。要长期保留，启动程序前设这些环境变量：",
    "What was changed here lasts until the program ends. To keep it, start the program with these variables:",
)
COPY = Message("复制", "Copy")
CHANGING = Message(
    "正在更换语言模型，新的问题要等它换好。", "The language model is being changed; new questions wait for it."
)

# --- changes in the background ---
SWITCHING = Message("换用 {name}", "Switching to {name}")
UNLOADING = Message("卸载语言模型", "Unloading the language model")
RESAMPLING = Message("更改采样设置", "Changing the sampling")
WAITING = Message(
    "等待 {count} 个正在写的回答；新的问题先等着", "Waiting for answers that are being written: {count}; new ones wait"
)
BUSY = Message(
    "已经在更换语言模型了，等它结束或取消它。", "The model is being changed already; wait for it or cancel it."
)
OLD_STAYS = Message("没有换成，仍用原来的模型。", "Nothing has changed, the old model stays.")
CANCELLED = Message("已取消，仍用原来的模型。", "Cancelled; the old model stays.")
FETCHED = Message("{file}，已有 {done:.2f} / {total:.2f} GB", "{file}, {done:.2f} of {total:.2f} GB")
GO_ON = Message(
    "已经下载的部分都在；在下面再点“继续下载”就接着下。",
    "What has come is kept; “Go on downloading” below goes on where it stopped.",
)
NEXT = {
    "llm": Message("下载完了。在下面点“载入”就换用它。", "It is here. “Load” below switches to it."),
    "embedding": Message(
        "下载完了。在“知识库”的设置里选它，重建之后生效。",
        "It is here. Choose it in the settings of a knowledge base, and rebuild that.",
    ),
}

# --- the catalogue ---
CATALOGUE = Message("全部模型", "All models")
LOOKING = Message("正在看这台机器的内存……", "Looking at this machine's memory…")
RESUME = Message("继续下载", "Go on downloading")
RESUME_THIS = Message("继续下载 {name}", "Go on downloading {name}")
CONFIRM_DOWNLOAD = Message(
    "从 {host} 下载 {name}，还要约 {size:.1f} GB？\n{space}\n可以关掉页面，也可以取消，下次接着下。",
    "Download {name} from {host}, about {size:.1f} GB to go?\n{space}\nThe page may be closed; a download that is "
    "cancelled goes on later.",
)

# --- the switch ---
SWITCH = Message("更换语言模型", "Change the language model")
MODEL = Message("模型", "Model")
MODEL_ABOUT = Message("本机有的模型；也可以填一个目录", "Models on this machine; or type the folder of one")
EMBEDDED = Message("内置模式（不用语言模型）", "embedded mode (no language model)")
ON_SERVER = Message("{name}（启动时设置的服务）", "{name} (the server set at the start)")
CHOOSE_MODEL = Message("先选一个模型。", "Choose a model first.")
PRECISION = Message("精度", "Precision")
AUTO_PRECISION = Message("自动：权重自带的，放不下就取放得下的", "automatic: that of its files, or what fits")
PRECISION_FITS = Message("{precision}（{size:.1f} GB，放得下）", "{precision} ({size:.1f} GB, fits)")
PRECISION_TOO_LARGE = Message(
    "{precision}（{size:.1f} GB，现在放不下）", "{precision} ({size:.1f} GB, does not fit now)"
)
PRECISION_SIZE = Message("{precision}（占 {size:.1f} GB）", "{precision} ({size:.1f} GB)")
DEVICE = Message("设备", "Device")
AUTO = Message("自动", "automatic")
ADAPTER = Message("微调权重（LoRA、P-Tuning v2）", "Adapter (LoRA, P-Tuning v2)")
ADAPTER_ABOUT = Message(
    "放微调权重的目录，只有 ChatGLM 能用；清空就是不用", "Its folder; only a ChatGLM takes one, empty for none"
)
APPLY = Message("更换", "Change")
CONFIRM_SWITCH = Message(
    "按所选的更换语言模型？正在写的回答会先写完，新的问题等它换好；换不成就仍用原来的。",
    "Change the language model as chosen? Answers that are being written are finished first, new questions wait; the "
    "old one stays if the new one cannot be loaded.",
)
CONFIRM_LOAD = Message(
    "换用 {name}？正在写的回答会先写完，新的问题等它换好；换不成就仍用原来的。",
    "Switch to {name}? Answers that are being written are finished first, new questions wait; the old one stays if "
    "this one cannot be loaded.",
)
SWITCH_ABOUT = Message(
    "更换时先释放原来的模型，再载入新的；只改采样不用重新载入。",
    "The old model is freed before the new one is loaded; a change of the sampling alone loads nothing.",
)

# --- sampling ---
SAMPLING = Message("采样", "Sampling")
SAMPLING_SETTINGS = {
    "temperature": Message("温度", "Temperature"),
    "top_p": Message("核采样（top-p）", "Nucleus (top-p)"),
    "sample_top_k": Message("候选词数（top-k）", "Likeliest tokens (top-k)"),
    "repetition_penalty": Message("重复惩罚", "Repetition penalty"),
    "answer_tokens": Message("回答最长 token 数", "Longest answer, in tokens"),
    "seed": Message("随机种子", "Seed"),
}
SAMPLING_ABOUT = {
    "temperature": Message("0：同样的问题得到同样的回答", "0: a question has one answer"),
    "top_p": Message("只在累计概率达到它的词中抽取；温度为 0 时不起作用", "Idle at temperature 0"),
    "sample_top_k": Message("0 表示不限；温度为 0 时不起作用", "0 for all; idle at temperature 0"),
    "repetition_penalty": Message("1 表示没有", "1 for none"),
    "answer_tokens": Message("越长，留给资料的位置越少", "The longer, the less room for the passages"),
    "seed": Message("空表示每次不同；温度为 0 时不起作用", "Empty for a new one each time; idle at temperature 0"),
}
SAVE_SAMPLING = Message("采用", "Use these")
NOTHING_CHANGED = Message("没有改动：这些就是现在的设置。", "Nothing to change: these are the settings in force.")

# --- the doctor ---
DOCTOR = Message("检查", "Doctor")
DOCTOR_ABOUT = Message(
    "检查运行所需的一切，并说明怎样解决；默认不用网络。",
    "Examine everything the program needs, with the cure; the network is not used by default.",
)
DIAGNOSE = Message("开始检查", "Examine")
ONLINE = Message(
    "也连接设置里的模型服务（会用网络）", "Also contact the model servers in the settings (uses the network)"
)
EXAMINING = Message("正在检查……", "Examining…")
