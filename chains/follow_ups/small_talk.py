"""Greetings, thanks and goodbyes get a fixed reply: nothing is retrieved for them, so no source stands beside them."""

import re

from analysis.folding import fold
from core.messages import Message, well_formed

_LONGEST_CHARS = 60

_GREETING = Message(
    "你好！请直接提问，我会从知识库里找答案并给出出处。",
    "Hello! Ask me anything about the knowledge base; I answer from it and name my sources.",
)
_THANKS = Message("不客气，还有问题请继续问。", "You are welcome. Ask on whenever you like.")
_GOODBYE = Message("再见！", "Goodbye!")
_IDENTITY = Message(
    "我是 KnowGLM，在本机运行的知识库问答程序：你提问，我从知识库里找出相关段落，依据它们回答并给出出处。",
    "I am KnowGLM, a question answering program that runs on your own computer: you ask, I find the passages of the "
    "knowledge base that matter, answer from them and name them.",
)
_UNDERSTOOD = Message("好的，还有问题请继续问。", "All right. Ask on whenever you like.")

_WHO = r"(?:你们?|您|(?:这个?|本)?(?:程序|助手|机器人))"
_END = r"(?:[啊呀哦啦吧呢吗嘛哈]|了)*"
_PHRASES: tuple[tuple[Message, str], ...] = (  # of several kinds in one text the first is answered
    (
        _IDENTITY,
        rf"{_WHO}(?:到底)?(?:是(?:谁|什么|干什么的|做什么的|哪位)|叫什么(?:名字)?|贵姓)|{_WHO}怎么用"
        rf"|{_WHO}(?:都|还)?(?:能|会|可以)(?:帮我)?(?:做|干|回答)?(?:些)?什么(?:事|忙|问题)?"
        rf"|{_WHO}有(?:什么|哪些)(?:功能|用处|本领)"
        r"|(?:请)?(?:先)?(?:做个)?(?:自我介绍|介绍(?:一下)?(?:你|您)?自己)(?:一下)?"
        r"|(?:and )?who are you|what are you|what(?:'s| is) your name|what do you do"
        r"|(?:so )?what can (?:you|i) (?:do|ask)(?: for me| here| you)?|introduce yourself|tell me about yourself",
    ),
    (
        _GOODBYE,
        r"再见|再会|拜拜?|回头见|回见|明天见|下次见|晚安|先这样|bye(?:[ -]?bye)?|good ?bye|good ?night|farewell"
        r"|see (?:you|ya)(?: later| soon| tomorrow)?|have a (?:nice|good|great) (?:day|one|evening|weekend)|take care",
    ),
    (
        _THANKS,
        r"(?:太|十分|非常|真是?|多|万分)?(?:感谢|谢谢|谢|辛苦)(?:你们?|您|大家)?(?:了|的(?:帮助|回答|解答|指点))?"
        r"|麻烦(?:你|您)了|有劳了?|(?:much )?appreciated|i appreciate it|thx|ty|cheers"
        r"|(?:(?:many )?thanks|thank (?:you|u))(?: a (?:lot|bunch|million)| so much| very much| again)?"
        r"(?: for (?:your|the) (?:help|answer))?",
    ),
    (
        _GREETING,
        r"(?:[你您妳]|大家|你们|诸位)好|(?:早上|上午|中午|下午|晚上|早)(?:好|安)|早|嗨+|哈[喽啰罗]|喂|哈+"
        r"|(?:有人)?在(?:吗|么|不在)|(?:最近|你|您)(?:过得)?(?:还)?好(?:吗|不好)|(?:你|您)?吃了(?:吗|么)"
        r"|hi+|hello+|hey+|yo|greetings|howdy|good (?:morning|afternoon|evening|day)|nice to meet you"
        r"|how are you(?: doing)?(?: today)?|how(?:'s| is) it going|what's up|(?:anybody|are you) there",
    ),
    (
        _UNDERSTOOD,
        r"好(?:的|吧|滴|嘞)?|行|可以|嗯+|哦+|噢|(?:我)?(?:明白|知道|懂|了解|清楚|收到)(?:了|啦)?"
        r"|没(?:有)?(?:别的)?(?:问题|事)了?|不错|很好|太好了|太棒了|no more questions|i see|understood|got it"
        r"|ok(?:ay)?|all ?right|fine|great|nice|cool|perfect|(?:very )?good",
    ),
)
_PATTERNS = tuple((reply, re.compile(rf"(?:{phrases}){_END}")) for reply, phrases in _PHRASES)
_PARTS = re.compile(r"[^\w'’ ]+|_+")  # stops, dashes and pictographs
_REPEATED = re.compile(r"^(.{2,}?) ?(?:\1)+$")
_ADDRESS = re.compile(r"(?:^| )(?:knowglm|there|all|everyone|everybody|you all|dear|friend|buddy|man)$")


def small_talk(text: str) -> Message | None:
    """Return the reply to a text that is nothing but a greeting, thanks, a goodbye, or a question about the program.

    None for everything else: "你好，请问年假有几天？" is a question that happens to greet.
    """
    if len(text) > _LONGEST_CHARS:
        return None
    folded = fold(well_formed(text)).replace("’", "'")
    parts = [part for piece in _PARTS.split(folded) if (part := " ".join(piece.split())) and _ADDRESS.sub("", part)]
    replies = [_reply(part) for part in parts]
    if not replies or None in replies:
        return None
    return next(reply for reply, _ in _PATTERNS if reply in replies)


def _reply(part: str) -> Message | None:
    """Return the reply to what stands between two stops; it may say the same thing twice ("你好你好")."""
    once = _REPEATED.sub(r"\1", part)
    forms = (once, _ADDRESS.sub("", once))
    return next((reply for reply, pattern in _PATTERNS if any(map(pattern.fullmatch, forms))), None)
