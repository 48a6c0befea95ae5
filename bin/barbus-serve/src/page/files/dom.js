// Elements of the page. Text enters it as text only: a symbol may be any string.

export const byId = (id) => document.getElementById(id);

/** An element with properties, texts and other elements. */
export function el(tag, properties, ...content) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (name === "class") element.className = value;
    else if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...content);
  return element;
}
