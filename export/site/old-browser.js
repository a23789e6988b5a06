// Says why the page cannot start where its modules cannot be loaded; written for old browsers.
(function () {
  var why = "";
  if (location.protocol === "file:") {
    why = "Browsers open this page only from a web server: python -m http.server, in its folder, is one.";
  } else if (!("noModule" in HTMLScriptElement.prototype) || typeof WebAssembly !== "object" || !window.OffscreenCanvas || !window.DecompressionStream || ![].toSorted) {
    why = "This browser is too old for this page: please update it, or try another one.";
  }
  if (why) {
    document.documentElement.className = "too-old";
    document.getElementById("notice").textContent = why;
  }
})();
