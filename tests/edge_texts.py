"""Chinese texts at the edges, for every test that takes text. Names are ASCII because they become test ids."""

EDGE_TEXTS: dict[str, str] = {
    "full_width": "ＣｈａｔＧＬＭ－６Ｂ需要１３ＧＢ显存。",
    "half_width": "ChatGLM-6B需要13GB显存。",
    "traditional": "請假須經部門主管批准，並於系統登記。",
    "simplified": "请假须经部门主管批准，并于系统登记。",
    "no_punctuation": "这是一段没有任何标点的很长的文字" * 120,
    "quote_with_stops": "他说：“今天下雨。我不去了。你们去吧！”然后关上了门。",
    "decimals": "版本 0.1.17 的得分是 3.14，见 https://example.com/a?b=c;d 或 a.b@c.com。",
    "emoji": "部署成功🎉。重启后🚀再试👨‍👩‍👧。",
    "rare_characters": "𰻝𰻝面是陕西小吃，“𠮷”是“吉”的异体字。",
    "mixed": "GPU 显存 6GB，CPU 内存 32GB；use INT4 when memory is short. 否则 FP16。",
    "one_character": "猫",
    "blank_lines": "\n\n第一段。\n\n\n\n第二段。\n\n",
    "english": "Dr. Smith paid $3.50 on Jan. 5. He left. Why? Nobody knows.",
}
