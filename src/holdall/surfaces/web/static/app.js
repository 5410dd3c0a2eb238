// What every page does beside showing itself. No data becomes HTML here.
"use strict";
