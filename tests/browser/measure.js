// Measures the page as it is: each text against what is painted behind it, and whether the page scrolls sideways.
() => {
  const paint = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });

  // Any CSS colour that the browser computes, mixed ones included, as red, green, blue and alpha from 0 to 1.
  const known = new Map();
  const rgba = (colour) => {
    if (!known.has(colour)) {
      paint.clearRect(0, 0, 1, 1);
      paint.fillStyle = colour;
      paint.fillRect(0, 0, 1, 1);
      known.set(colour, [...paint.getImageData(0, 0, 1, 1).data].map((part) => part / 255));
    }
    return known.get(colour);
  };
  const over = (top, under) => {
    const alpha = top[3] + under[3] * (1 - top[3]);
    const mixed = [0, 1, 2].map((i) => (alpha ? (top[i] * top[3] + under[i] * under[3] * (1 - top[3])) / alpha : 0));
    return [...mixed, alpha];
  };
  const luminance = (colour) => {
    const [r, g, b] = colour.map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (one, other) => {
    const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (light + 0.05) / (dark + 0.05);
  };
  const COLOURS = /(?:rgba?|hsla?|oklab|oklch|lab|lch|color)\([^()]*\)/g;

  // A gradient that is painted once, in a column from the left edge on, leaves the rest of its element alone.
  const reaches = (at, style, box) => {
    const width = style.backgroundSize.match(/^([\d.]+)px/);
    return style.backgroundRepeat !== "no-repeat" || !width || box.left < at.getBoundingClientRect().left + Number(width[1]);
  };
  // Every colour that may lie behind the text: one, or one for each stop of a gradient. A pseudo-element paints its own.
  const grounds = (element, box, part) => {
    const layers = [];
    const styles = part ? [[element, getComputedStyle(element, part)]] : [];
    for (let at = element; at; at = at.parentElement) styles.push([at, getComputedStyle(at)]);
    for (const [at, style] of styles) {
      const stops = reaches(at, style, box) ? (style.backgroundImage.match(COLOURS) ?? []).map(rgba) : [];
      const plain = rgba(style.backgroundColor);
      if (stops.length) layers.push([...stops, ...(plain[3] < 1 && !stops.some((stop) => stop[3] < 1) ? [] : [plain])]);
      else if (plain[3]) layers.push([plain]);
      if (plain[3] === 1) break;
    }
    return layers.reduceRight((found, layer) => (found.length ? found.flatMap((under) => layer.map((top) => over(top, under))) : layer), []);
  };
  const opacity = (element) => {
    let found = 1;
    for (let at = element; at; at = at.parentElement) found *= Number(getComputedStyle(at).opacity);
    return found;
  };
  // For screen readers alone: clipped to nothing.
  const unseen = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const style = getComputedStyle(at);
      const box = at.getBoundingClientRect();
      if (style.clipPath === "inset(50%)" || (style.position === "absolute" && box.width <= 1 && box.height <= 1)) return true;
    }
    return !element.checkVisibility({ visibilityProperty: true, opacityProperty: true });
  };

  const faults = [];
  let texts = 0;
  let least = Infinity;
  const judge = (element, words, colour, box, part) => {
    const behind = grounds(element, box, part);
    texts += 1;
    if (!behind.length || behind.some((ground) => ground[3] < 1)) {
      faults.push(`nothing opaque is painted behind “${words}”`);
      return;
    }
    const ink = rgba(colour);
    const seen = [ink[0], ink[1], ink[2], ink[3] * opacity(element)];
    const worst = Math.min(...behind.map((ground) => contrast(over(seen, ground), ground)));
    least = Math.min(least, worst);
    if (worst < 4.5) faults.push(`contrast ${worst.toFixed(2)} of “${words}” (${element.tagName.toLowerCase()}.${element.className})`);
  };
  const short = (text) => text.trim().replace(/\s+/g, " ").slice(0, 40);

  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const element = walk.currentNode.parentElement;
    const range = document.createRange();
    range.selectNodeContents(walk.currentNode);
    if (!short(walk.currentNode.data) || !range.getClientRects().length || unseen(element)) continue;
    // Text in a picture is filled, not coloured.
    judge(element, short(walk.currentNode.data), getComputedStyle(element)[element instanceof SVGElement ? "fill" : "color"], range.getBoundingClientRect());
  }
  for (const control of document.querySelectorAll("input, select, textarea")) {
    if (control.type === "hidden" || unseen(control)) continue;
    const box = control.getBoundingClientRect();
    judge(control, short(control.value || control.name), getComputedStyle(control).color, box);
    if (control.placeholder) judge(control, short(control.placeholder), getComputedStyle(control, "::placeholder").color, box);
  }
  for (const element of document.body.querySelectorAll("*")) {
    for (const part of ["::before", "::after"]) {
      const style = getComputedStyle(element, part);
      const words = style.content.match(/^"(.*)"/)?.[1].trim();
      if (words && style.display !== "none" && !unseen(element)) judge(element, `${part} ${words}`, style.color, element.getBoundingClientRect(), part);
    }
  }

  const page = document.documentElement;
  const hidden = [page, document.body].some((box) => ["hidden", "clip"].includes(getComputedStyle(box).overflowX));
  const out = [...document.body.querySelectorAll("*")].filter(
    (element) => element.getBoundingClientRect().right > page.clientWidth + 1 && !element.closest(".scroll") && !unseen(element),
  );
  return {
    texts,
    least,
    faults,
    sideways: page.scrollWidth - page.clientWidth,
    hidden,
    out: out.slice(-3).map((element) => `${element.tagName.toLowerCase()}.${element.className}`),
  };
};
