// Copy buttons: the only thing on the page / that needs more than htmx.
"use strict";

document.documentElement.classList.add("scripted");

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-copy]");
  if (button === null) return;
  const source = document.getElementById(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(source.textContent);
    button.textContent = "Copied";
  } catch {
    // Without TLS there is no clipboard: the text is selected, to be copied by hand.
    getSelection().selectAllChildren(source);
    button.textContent = "Selected";
  }
});
