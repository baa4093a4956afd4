"""What a page computed: who sticks out, what is cut off, and how text stands out from its ground."""

from typing import Any

# Every visible piece of text, its colour and the ground it stands on. Colours go through a canvas: computed
# styles may say them in any colour space.
TEXTS = """root => {
    const context = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
    const rgba = colour => {
        context.clearRect(0, 0, 1, 1);
        context.fillStyle = colour;
        context.fillRect(0, 0, 1, 1);
        const [r, g, b, a] = context.getImageData(0, 0, 1, 1).data;
        return [r, g, b, a / 255];
    };
    const over = (above, below) => {
        const share = above[3];
        return [0, 1, 2].map(i => above[i] * share + below[i] * (1 - share)).concat(1);
    };
    const ground = element => {
        const layers = [];
        for (let at = element; at; at = at.parentElement) {
            layers.push(rgba(getComputedStyle(at).backgroundColor));
        }
        return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255, 1]);
    };
    const found = [];
    const note = (element, text) => {
        const style = getComputedStyle(element);
        const box = element.getBoundingClientRect();
        const off = element.closest(':disabled, [data-disabled]');
        if (!box.width || style.visibility === 'hidden' || off) return;
        const below = ground(element);
        const colour = rgba(element instanceof SVGElement ? style.fill : style.color);
        found.push({ text, colour: over(colour, below).slice(0, 3), ground: below.slice(0, 3) });
    };
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const text = walker.currentNode.data.trim();
        const element = walker.currentNode.parentElement;
        if (text && !element.closest('option')) note(element, text);
    }
    for (const field of root.querySelectorAll('input[type=text], select')) note(field, field.value);
    return found;
}"""

# Elements that are wider than their place: the explorer itself, and whatever leaves it.
OVERFLOW = """root => {
    const cut = element => getComputedStyle(element).overflowX !== 'visible';
    const inside = element => {
        for (let at = element.parentElement; at !== root; at = at.parentElement) if (cut(at)) return true;
        return false;
    };
    const box = root.getBoundingClientRect();
    const wide = [root, ...root.querySelectorAll('*')].filter(element => {
        const { left, right, width, height } = element.getBoundingClientRect();
        const style = getComputedStyle(element);
        if (!width || !height || style.visibility === 'hidden') return false;
        const leaves = left < box.left - 1 || right > box.right + 1;
        if (element !== root && leaves && !inside(element)) return true;
        // A place that cuts has to say that there is more.
        const more = element.scrollWidth > element.clientWidth + 1;
        return more && (element === root || (cut(element) && style.textOverflow !== 'ellipsis'));
    });
    return wide.map(element => `${element.tagName}.${element.className} ${element.textContent.slice(0, 40)}`);
}"""

# Texts that lie on each other. What lies over a picture (badge, mark) has a ground of its own.
COLLISIONS = """root => {
    const texts = [];
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const element = walker.currentNode.parentElement;
        if (!walker.currentNode.data.trim() || element.closest('option, .view')) continue;
        if (!element.checkVisibility({ visibilityProperty: true })) continue; // also in a closed section
        const range = document.createRange();
        range.selectNodeContents(walker.currentNode);
        for (const rect of range.getClientRects()) {
            const seen = { left: rect.left, right: rect.right, top: rect.top, bottom: rect.bottom };
            for (let at = element; at !== root; at = at.parentElement) {
                if (getComputedStyle(at).overflow === 'visible') continue;
                const clip = at.getBoundingClientRect();
                seen.left = Math.max(seen.left, clip.left);
                seen.right = Math.min(seen.right, clip.right);
                seen.top = Math.max(seen.top, clip.top);
                seen.bottom = Math.min(seen.bottom, clip.bottom);
            }
            texts.push({ text: walker.currentNode.data.trim(), ...seen });
        }
    }
    const found = [];
    texts.forEach((a, i) => texts.slice(i + 1).forEach(b => {
        const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
        const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        if (wide > 1 && high > 3 && a.text !== b.text) found.push([a.text, b.text, wide, high]);
    }));
    return found;
}"""

# Words of a control that need a second line: a form that jumps.
WRAPPED = """root => {
    const found = [];
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const text = walker.currentNode;
        if (!text.parentElement.closest('button, label, summary, .caption, [role=status]')) continue;
        const range = document.createRange();
        range.selectNodeContents(text);
        const lines = new Set([...range.getClientRects()].map(({ top }) => Math.round(top)));
        if (lines.size > 1) found.push(text.data.trim());
    }
    return found;
}"""


AA = 4.5
"""Contrast of text of any size, WCAG 2.2, 1.4.3."""


def faint(texts: list[dict[str, Any]]) -> list[tuple[float, str]]:
    """Contrast and words of the `TEXTS` that do not stand out."""
    ratios = [(round(contrast(text["colour"], text["ground"]), 2), text["text"]) for text in texts]
    return [(ratio, text) for ratio, text in ratios if ratio < AA]


def contrast(first: list[float], second: list[float]) -> float:
    """Contrast ratio of two sRGB colours, 1 to 21 (WCAG 2.2)."""
    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: list[float]) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
