"""The words that questions are built of, as patterns: of predicates, of properties, of names."""

import re


def any_of(words: str) -> str:
    """Return a pattern for any of the words or patterns that blanks part, tried in their order."""
    return f"(?:{'|'.join(words.split())})"


HAN = "[\u4e00-\u9fff]"
CODE = "[A-Za-z0-9/_-]*[A-Za-z_][A-Za-z0-9_./+-]*"  # a Latin word, a file name, a setting
CODES = re.compile(rf"{CODE}(?: (?:{CODE}|\d[\d.]*\b))*")
TITLE = re.compile("《[^《》]+》")
ORDINAL = re.compile(r"(?:第[一二三四五六七八九十\d]+|初|上一|下一|新|旧|老)[代版章条季期届级款个]")
AMOUNT = re.compile(r"(?:满|超过|不到|不足)\s*\d+\s*(?:个月|[年天月周人元岁次])")
TIME = re.compile(
    r"(?:公元前?)?\d{1,4}\s*年(?:\d{1,2}\s*月(?:\d{1,2}\s*日)?)?(?!以|的?人)|\b(?:1\d|20)\d\d\b"
    r"|[去今明前后当次早晚]年|[上下本这那](?:个?月|周|季度|半年)|昨天|今天|明天|周末|平时|当时|那时"
)
PLACE = re.compile(
    any_of("""
    北京 上海 天津 重庆 广州 深圳 成都 武汉 西安 杭州 南京 苏州 长沙 郑州 青岛 沈阳 大连 厦门 宁波 合肥 福州 昆明
    济南 无锡 佛山 东莞 哈尔滨 长春 石家庄 太原 南昌 贵阳 南宁 海口 兰州 银川 西宁 拉萨 乌鲁木齐 呼和浩特 香港 澳门
    台湾 台北 河北 山西 辽宁 吉林 黑龙江 江苏 浙江 安徽 福建 江西 山东 河南 湖北 湖南 广东 海南 四川 贵州 云南 陕西
    甘肃 青海 内蒙古 广西 西藏 宁夏 新疆 中国 美国 日本 英国 法国 德国 俄罗斯 韩国 印度 加拿大 澳大利亚 巴西 意大利
    西班牙 新加坡 华[东南北中] [东西][南北]
    """)
)
_SURNAMES = (
    "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦许何吕施张孔曹严华金魏陶姜谢邹苏潘葛范彭鲁韦马方俞任袁柳鲍史唐"
    "费薛雷贺罗郝安常于傅齐康伍余顾孟黄萧尹姚邵汪毛米宋庞熊纪舒项董梁杜阮蓝贾江郭林钟徐邱骆高夏蔡田胡凌"
    "霍万柯卢莫房解丁邓洪包左石崔龚程陆段侯武刘叶白蒲卓乔谭温庄晏柴阎连艾易廖耿欧文曾"
)
PERSON = re.compile(rf"[{_SURNAMES}]{HAN}{{1,2}}")

_ASKING = """
    (?:什么|啥|哪)(?:时候|时间|地方|样)? 是?(?:不是|否) 为[什何啥]么? 怎[么样] 如何 何[时地处] 谁
    多[少久长大高远重快宽深] 几(?![何率乎内许维])[个天年月日次岁人位条台]? [周星]?期?几 能不能 可不可以 有没有 要不要
"""
_VERBS = """
    需要 必须 应[该当] 可[以能否] 能[够否] 没有 拥有 具有 含有 包[括含] 支持 采用 使用 属于 位于 坐落 来自 适用
    [成建]立(?!者) 建成 创[立办建](?!人|者) [出诞]生(?!地|日|率) 生于 [去逝]世 去过 毕业(?!院校|证|论文|生) 加入 任职
    担任 发布(?!会|日) 推出 上市(?!公司) 开[放馆业幕](?!时间|日) 闭馆(?!日|时间) 获得 得过 荣获 发明(?!者|人) 发现
    提出 设计(?!师|者|图|院|费) 创作(?!者) 编写 撰写 写(?!作|法) 出版(?!社|商) 完成 收藏 占用? 消耗 花费 收费(?!标准)
    提供(?!商|者) 运行 安装 下载 上传 恢复 取消 申请(?!表|书|人|流程) 提交 报销(?!单|流程|标准|款) 批准 结婚 举[办行]
    主办(?!方|单位) 开始 结束 停止 发[生热] 导致 造成 成为 叫(?!做法) 休完 打不开 指的?是 工作时 由(?!于|来) 被 把
    [住死卒](?!宿|院|房|址)
"""
_SINGLE_VERBS = """
    (?<![没所拥具含专])有(?![限效关机色名意]|分公司) (?<![于还只])是 (?<![存内现实所正潜])在(?!线|职)
    (?<![主重需首摘概])要(?![求素点塞闻]) (?<![社委协工学大年商机省])会(?![议计员场馆长展话])
    (?<![功性智职技节才效电光热核机])能(?![力源量耗级]) (?<![费信应适采作运利引套副启公使试])用(?![户途品量法电水处])
    (?<![因作成行认华])为(?!了) 得(?!到) 比(?!例|赛|率|较) 画(?![家展廊像院册面]) 到(?![期达])
    [都也还已曾才就](?!市|区|不)
"""  # unless they are part of a word
_ADVERBS = """
    最[低高多少长短晚早大小] [一总]共 大[概约] 通常 一般 主要(?=[是有用从以由包]) 现在 目前 不(?![同足良]) 一生 先后
    平均 每[天年月周日次晚人]
"""
PREDICATE = re.compile("|".join((_ASKING + _VERBS + _SINGLE_VERBS + _ADVERBS).split()))

RELATIONAL = (  # nouns that ask "of what?"
    any_of("""
    默认 成人 学生 官方 最大 最小 建筑 总 平均 额定 主要 办公 联系 毕业 代表 销售 开放 闭馆 发布 成立 取值 训练 参考
    常用
    """)
    + "*"
    + any_of("""
    作者 导演 主演 负责人 创始人 创办人 设计者?师? 发明者 董事长 总经理 校长 院长 馆长 首都 省会 总部 地址 电话 邮箱
    网址 官网 价格? 售价 票价 门票 房价 费用 成本 工资 销售额 利润 营业额 收入 市值 面积 人口 高度 长度 宽度 深度
    重量 体积 尺寸 大小 容量 颜色 外观 材料 材质 功耗 功率 电压 速度 寿命 年龄 生日 籍贯 故乡 学历 院校 代表作 作品
    专利 藏品 版本 型号 参数量? 词表 层数 上下文 权重 许可证? 协议 格式 用途 用法 作用 功能 优点 缺点 优势 特点 特征
    含义 意思 定义 原因 原理 结果 后果 步骤 流程 方法 条件 要求 范围 上限 下限 限制 默认值 取值 单位 名字 名称 全称
    简称 别名 英文名 时间 日期 期限 保修期? 有效期 保质期 数量 人数 总数 员工 客户 停车位 接口 网口 端口 电池 屏幕
    摄像头 续航 采样参数
    """)
)

AUXILIARY = any_of("is are was were do does did can could may might must should shall will would has have had")
ENGLISH_PREDICATE = re.compile(
    r"\b"
    + any_of("""
    be been get gets have has need needs take takes cost costs weigh weighs run runs stay stays mean means require
    requires expire expires open opens opened close closes closed born built released founded made written designed
    use uses used called located work works last lasts support supports contain contains hold holds happen start
    starts end ends begin make makes give allow allowed accept do come go carry carries win won die died live write
    wrote say cover look print prints store stored if when than per each every in on at from by with to for as
    """)
    + r"\b.*"
)
ENGLISH_PROPERTY = any_of(r"""
    author architect designer director founder inventor price cost admission fee size weight length height width range
    capacity speed population area capital address phone\snumber e-?mail website version default(?:\svalue)? maximum
    minimum limit purpose meaning difference reason format name title owner deadline opening\shours? battery(?:\slife)?
    colou?r release\sdate licen[cs]e
""")
