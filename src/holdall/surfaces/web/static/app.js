// What every page does beside showing itself. No data becomes HTML here.
"use strict";
for (const button of document.querySelectorAll("[data-theme-switch]")) button.hidden = false; // it needs a script

// What is cut off can be read whole under the pointer.
document.addEventListener("pointerover", (event) => {
  const cell = event.target.closest("td, th, .cut");
  if (cell && !cell.title && cell.scrollWidth > cell.clientWidth) cell.title = cell.textContent.trim();
});

// What is empty, or as it is anyway, does not stand in the address that a form leads to.
document.addEventListener("formdata", (event) => {
  if (!event.target.matches("[data-tidy]")) return;
  const data = event.formData;
  for (const name of new Set(data.keys())) {
    const values = data.getAll(name).filter((value) => value !== "" && !(name === "stage" && value === "active"));
    data.delete(name);
    for (const value of name === "sort" ? values.slice(-1) : name === "find" ? [] : values) data.append(name, value);
  }
});
