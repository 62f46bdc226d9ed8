// What is wrong with the looks of the page as it stands: names of controls, contrast, what sticks out, foreign words.
() => {
  const DATA = "bdi, [dir=auto], mark, pre, code, .passage, .place, .token";
  const DIMMED = ".below, .disabled, .around, .verdict, :disabled";
  const CONTROLS = "button, input, textarea, select, a[href], [role=button], [role=tab], [role=slider]";
  const isEnglish = window.location.pathname.startsWith("/en");

  const isShown = (element) => element.checkVisibility({ visibilityProperty: true }) && element.offsetWidth !== 0;

  function nameOf(control) {
    const ids = (control.getAttribute("aria-labelledby") ?? "").split(" ").filter(Boolean);
    const labels = [...ids.map((id) => document.getElementById(id)), ...(control.labels ?? [])];
    const own = control.matches("input, textarea, select") ? "" : control.textContent;
    return [control.ariaLabel, ...labels.map((label) => label?.textContent), own, control.title].join("").trim();
  }

  // Colours are [red, green, blue, opacity]; the first three 0–255.
  const colour = (text) => [...text.match(/[\d.]+/g).map(Number), 1].slice(0, 4);
  const over = (upper, lower) => upper.slice(0, 3).map((part, at) => part * upper[3] + lower[at] * (1 - upper[3]));
  const around = (element) => (element ? [element, ...around(element.parentElement)] : []);

  function ground(element) {
    const layers = around(element).map((one) => colour(getComputedStyle(one).backgroundColor));
    const opaque = layers.findIndex((layer) => layer[3] === 1);
    return layers.slice(0, opaque < 0 ? layers.length : opaque + 1).reduceRight((below, layer) => over(layer, below), [255, 255, 255]);
  }

  function luminance(parts) {
    const [red, green, blue] = parts.map((part) => part / 255).map((part) => (part <= 0.04 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  }

  // The contrast of the Web Content Accessibility Guidelines, 1–21.
  function contrast(element) {
    const style = getComputedStyle(element);
    const text = colour(element.closest("svg") ? style.fill : style.color);
    text[3] *= around(element).reduce((share, one) => share * Number(getComputedStyle(one).opacity), 1);
    const below = ground(element);
    const [light, dark] = [luminance(over(text, below)), luminance(below)].sort((a, b) => b - a);
    return (light + 0.05) / (dark + 0.05);
  }

  function sticksOut(text) {
    const range = document.createRange();
    range.selectNodeContents(text);
    return [...range.getClientRects()].some((box) => box.width && (box.left < -1 || box.right > window.innerWidth + 1));
  }

  function isMeantToBeCut(element) {
    const style = getComputedStyle(element);
    return style.textOverflow === "ellipsis" || ["auto", "scroll"].includes(style.overflowX);
  }

  const faults = new Set();
  let seen = 0;
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = texts.nextNode(); node; node = texts.nextNode()) {
    const [text, element] = [node.data.trim(), node.parentElement];
    if (!text || element.matches("script, style, title") || !isShown(element)) continue;
    seen += 1;
    const about = `${element.tagName} ${element.className} “${text.slice(0, 20)}”`;
    const found = contrast(element);
    if (found < (element.closest(DIMMED) ? 3 : 4.5)) faults.add(`contrast ${found.toFixed(1)}: ${about}`);
    if (sticksOut(node) && !around(element).some(isMeantToBeCut)) faults.add(`sticks out: ${about}`);
    const isChinese = /[\u4e00-\u9fff]/.test(text);
    const isForeign = isEnglish ? isChinese : !isChinese && /[a-z]{3} [a-z]{2}/i.test(text);
    if (isForeign && !element.closest(`${DATA}, [hreflang]`)) faults.add(`language: ${about}`);
  }
  for (const control of document.querySelectorAll(CONTROLS)) {
    if (isShown(control) && !nameOf(control)) faults.add(`no name: ${control.outerHTML.slice(0, 120)}`);
  }
  if (document.documentElement.scrollWidth > window.innerWidth) faults.add("scrolls sideways");
  return { seen, faults: [...faults] };
}
