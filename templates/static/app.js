// Every page works without this file; it only adds comfort. All words come from the page.
"use strict";

const each = (selector, fn) => document.querySelectorAll(selector).forEach(fn);

// Show and hide a password. The input stays the same, so password managers keep hold of it.
each("[data-reveal]", (button) => {
  const input = document.getElementById(button.dataset.reveal);
  const swap = () => {
    input.type = input.type === "password" ? "text" : "password";
    [button.textContent, button.dataset.text] = [button.dataset.text, button.textContent];
    const label = button.getAttribute("aria-label");
    button.setAttribute("aria-label", button.dataset.label);
    button.dataset.label = label;
  };
  button.hidden = false;
  button.addEventListener("click", swap);
  input.form.addEventListener("submit", () => {
    if (input.type === "text") swap(); // browsers offer to save only what was hidden
  });
});

// "123 456" is a code too.
each("input[data-code]", (input) => {
  input.addEventListener("input", () => {
    if (/\s/.test(input.value)) input.value = input.value.replace(/\s+/g, "");
  });
});

// Copy needs a secure context; where there is none, the button stays away.
each("[data-copy]", (button) => {
  if (!navigator.clipboard) return;
  const words = button.textContent;
  button.hidden = false;
  button.setAttribute("aria-live", "polite");
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.textContent = button.dataset.done;
    setTimeout(() => { button.textContent = words; }, 2000);
  });
});

// At a desk the authenticator is on another device: what that one scans comes first.
if (matchMedia("(min-width: 600px) and (not (pointer: coarse))").matches) {
  each("details[data-desk]", (details) => {
    details.parentElement.querySelector("h2").after(details);
    details.open = true;
  });
}

// A page that only lets other apps know goes on by itself: once their frames have loaded, or have had their time.
each("a[data-continue]", (link) => {
  const go = () => location.replace(link.href);
  const late = setTimeout(go, 3000);
  addEventListener("load", () => { clearTimeout(late); go(); });
});

// An answer to an app goes to it by itself, once the page knows how to send a form.
addEventListener("DOMContentLoaded", () => each("form[data-send]", (form) => form.requestSubmit(form.querySelector("button"))));

// A form is sent once. It can be sent again after coming back, or when the answer is lost.
const idle = () => each("[aria-busy]", (button) => {
  button.removeAttribute("aria-busy");
  button.textContent = button.dataset.idle;
});
each("form", (form) => form.addEventListener("submit", (event) => {
  if (form.querySelector("[aria-busy]")) return event.preventDefault();
  const button = event.submitter;
  if (!button?.dataset.busy) return;
  button.dataset.idle = button.textContent;
  button.setAttribute("aria-busy", "true");
  button.textContent = button.dataset.busy;
  setTimeout(idle, 10000);
}));
addEventListener("pageshow", idle);
document.addEventListener("visibilitychange", () => { if (!document.hidden) idle(); });
