// Just enough HTML to read a form that a server wrote. No page of strangers ever comes here.

// forms lists the forms of a page: where each posts, its hidden values, and every name that it has.
export function forms(html) {
  return [...html.matchAll(/<form\b([^>]*)>([\s\S]*?)<\/form>/gi)].map(([, tag, inner]) => {
    const controls = [...inner.matchAll(/<(?:input|button)\b([^>]*)>/gi)].map(([, control]) => attributes(control));
    const named = controls.filter((control) => control.name);
    const hidden = named.filter((control) => control.type === 'hidden');
    return { action: attributes(tag).action, hidden: pairs(hidden), fields: pairs(named) };
  });
}

// choose picks the first form that has one of the names, the names in order of preference.
export function choose(list, names) {
  for (const name of names) {
    const form = list.find(({ fields }) => name in fields);
    if (form) return form;
  }
}

// textOf is what a person would read, shortened for an error message.
export function textOf(html) {
  const body = html.replace(/<(style|script|head)\b[\s\S]*?<\/\1>/gi, ' ').replace(/<[^>]*>/g, ' ');
  return unescape(body).replace(/\s+/g, ' ').trim().slice(0, 300);
}

function pairs(controls) {
  return Object.fromEntries(controls.map(({ name, value }) => [name, value ?? '']));
}

function attributes(tag) {
  const found = tag.matchAll(/([\w-]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+)))?/g);
  return Object.fromEntries([...found].map(([, name, a, b, c]) => [name.toLowerCase(), unescape(a ?? b ?? c ?? '')]));
}

function unescape(text) {
  const named = { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&', nbsp: ' ' };
  return text.replace(/&(?:#x([\da-f]+)|#(\d+)|(\w+));/gi, (whole, hex, decimal, name) => {
    if (name) return named[name] ?? whole;
    return String.fromCodePoint(hex ? parseInt(hex, 16) : Number(decimal));
  });
}
