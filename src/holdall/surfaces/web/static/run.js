// The run's page: copies ids, finds rows as one types, shows large pictures when they are asked for, and lets
// a page that nobody sees rest. No data becomes HTML here.
"use strict";

/**
 * Hide the rows that do not have what somebody looks for.
 * @param {HTMLInputElement} input
 */
function find(input) {
  const wanted = input.value.toLocaleLowerCase();
  for (const row of document.querySelectorAll(input.dataset.finds)) {
    row.hidden = wanted !== "" && !row.textContent.toLocaleLowerCase().includes(wanted);
  }
}

function findAgain() {
  for (const input of document.querySelectorAll("input[data-finds]")) find(input);
}

/** @param {HTMLElement} link */
function showPicture(link) {
  const picture = document.createElement("img");
  picture.className = "picture";
  picture.alt = link.dataset.picture;
  picture.src = link.href;
  link.replaceWith(picture);
}

document.addEventListener("input", (event) => {
  const input = event.target;
  if (!(input instanceof HTMLInputElement) || !input.dataset.finds) return;
  find(input);
  const address = new URL(location.href);
  if (input.value) address.searchParams.set(input.name, input.value);
  else address.searchParams.delete(input.name);
  history.replaceState(history.state, "", address);
});

document.addEventListener("click", async (event) => {
  const copy = event.target.closest("[data-copy]");
  if (copy) {
    try { // there is no clipboard at all where a page came by HTTP from another machine
      await navigator.clipboard.writeText(copy.dataset.copy);
      copy.textContent = "Copied";
    } catch {
      copy.textContent = "Not allowed";
    }
    setTimeout(() => { copy.textContent = "Copy"; }, 1500);
  }
  const picture = event.target.closest("a[data-picture]");
  if (picture) {
    event.preventDefault();
    showPicture(picture);
  }
});

document.addEventListener("htmx:beforeRequest", (event) => {
  if (document.hidden && event.target.id === "run-poll") event.preventDefault();
});
document.addEventListener("htmx:afterSettle", findAgain);
document.addEventListener("DOMContentLoaded", findAgain);
