// What every page does beside showing itself. No data becomes HTML here.
"use strict";
for (const button of document.querySelectorAll("[data-theme-switch]")) button.hidden = false; // it needs a script
