"""Units of measure as people write them after a number, with what they are multiples of."""

import re
from decimal import Decimal

_UNITS = """
    m 1 米 公尺 m meter meters metre metres
    m 1000 公里 千米 km kilometer kilometers kilometre kilometres
    m 0.01 厘米 公分 cm centimeter centimeters centimetre centimetres
    m 0.001 毫米 mm millimeter millimeters millimetre millimetres
    m 1609.344 英里 mile miles
    m 0.3048 英尺 ft foot feet
    kg 1 公斤 千克 kg kilogram kilograms
    kg 0.001 克 g gram grams
    kg 0.000001 毫克 mg milligram milligrams
    kg 1000 吨 公吨 ton tons tonne tonnes
    kg 0.5 斤
    m2 1 平方米 平方公尺 m2
    m2 1000000 平方公里 平方千米 km2
    m2 10000 公顷 hectare hectares
    mu 1 亩
    m3 1 立方米 m3
    m3 0.001 升 l liter liters litre litres
    m3 0.000001 毫升 ml milliliter milliliters millilitre millilitres
    kB 1 kb
    MB 1 mb 兆
    GB 1 gb
    TB 1 tb
    s 1 秒 秒钟 second seconds
    s 60 分钟 minute minutes
    s 3600 小时 钟头 hour hours
    day 1 天 日 day days
    day 7 周 星期 week weeks
    month 1 个月 month months
    year 1 年 周年 year years
    century 1 世纪 century centuries
    decade 1 年代
    CNY 1 元 人民币 元人民币 rmb yuan
    USD 1 美元 美金 usd dollar dollars
    EUR 1 欧元 eur euro euros
    JPY 1 日元 日圆 jpy yen
    HKD 1 港元 港币 hkd
    GBP 1 英镑 gbp
    person 1 人 名 位 people persons
    age 1 岁
    °C 1 °c 摄氏度
    % 1 % 个百分点 percent
    % 0.1 ‰
"""
_COUNTERS = (  # say nothing that a paraphrase may not leave out
    "个 只 条 座 次 种 张 台 部 本 所 家 项 件 届 章 页 层 号 级 倍 度 卷 集 支 头 颗 场 辆 架 艘 栋 间 幅 首 篇 句 组 "
    "段 类 代 轮 票 分 点 款 步 站 株 棵 枚 块 套 门 匹 片 道 份 节 回 批 排 室 房"
)
_CURRENCIES = {"$": "USD", "€": "EUR", "£": "GBP", "¥": "CNY"}


def _table() -> dict[str, tuple[str, Decimal]]:
    table: dict[str, tuple[str, Decimal]] = {}
    for line in filter(None, map(str.split, _UNITS.splitlines())):
        table |= {name: (line[0], Decimal(line[1])) for name in line[2:]}
    return table | dict.fromkeys(_COUNTERS.split(), ("", Decimal(1)))


_TABLE = _table()
UNIT = "(?:" + "|".join(re.escape(name) for name in sorted(_TABLE, key=len, reverse=True)) + ")"
CURRENCY = "[" + "".join(_CURRENCIES) + "]"


def is_counter(unit: str) -> bool:
    """Tell whether a unit only counts things, as 个 and 座 do."""
    return unit in _TABLE and not _TABLE[unit][0]


def in_base_unit(value: Decimal, unit: str, currency: str = "") -> tuple[Decimal, str]:
    """Return the value in the base unit of its kind, and that unit; "" for counters and where none is written."""
    base, factor = _TABLE.get(unit.lower(), ("", Decimal(1)))
    return value * factor, base or _CURRENCIES.get(currency, "")
