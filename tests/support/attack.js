// What a document tries that is shut in: the answer to each stands in `data-told` of its body.
const told = {};
const attempt = (name, act) => { try { const got = act(); told[name] = got === undefined ? "done" : String(got); } catch (error) { told[name] = "no"; } };
attempt("cookie", () => document.cookie);
attempt("write cookie", () => { document.cookie = "a=1"; return document.cookie; });
attempt("storage", () => localStorage.length);
attempt("session", () => sessionStorage.length);
attempt("database", () => indexedDB.open("x"));
attempt("parent", () => parent.document.title);
attempt("top", () => top.location.href);
attempt("frame", () => frameElement && frameElement.src);
attempt("open", () => window.open("EVIL/") && "opened");
attempt("dialog", () => { alert(1); return window.prompt("x") || "nothing"; });
attempt("worker", () => new Worker(URL.createObjectURL(new Blob(["1"]))));
attempt("top navigation", () => { top.location = "EVIL/top"; });
attempt("form", () => {
  const form = document.createElement("form"); form.action = "EVIL/form"; document.body.append(form); form.submit(); });
attempt("link", () => { const link = document.createElement("a"); link.href = "EVIL/a"; link.target = "_blank"; document.body.append(link); link.click(); });
attempt("picture", () => { new Image().src = "EVIL/i"; new Image().src = "/own"; });
attempt("style", () => { const sheet = document.createElement("link"); sheet.rel = "stylesheet"; sheet.href = "EVIL/s"; document.head.append(sheet); });
attempt("prefetch", () => { for (const rel of ["prefetch", "preload", "dns-prefetch", "preconnect"]) { const one = document.createElement("link"); one.rel = rel; one.href = "EVIL/p"; one.as = "script"; document.head.append(one); } });
attempt("frame in it", () => { const frame = document.createElement("iframe"); frame.src = "EVIL/f"; document.body.append(frame); });
attempt("beacon", () => navigator.sendBeacon("EVIL/b"));
attempt("socket", () => { new WebSocket("ws:EVIL/w"); });
attempt("events", () => { new EventSource("/"); });
attempt("import", () => { import("EVIL/x.js").catch(() => {}); });
const asked = Promise.allSettled([fetch("EVIL/"), fetch("/"), fetch(location.href)]);
asked.then((all) => { told.fetch = all.map((one) => one.status).join(); document.body.dataset.told = JSON.stringify(told); });
