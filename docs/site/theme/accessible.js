// What Material adds to a page with its scripts: a box that scrolls is reached by Tab, and the buttons of each code have a name.
document$.subscribe(() => {
  const mend = () => {
    for (const box of document.querySelectorAll(".md-typeset__scrollwrap")) box.tabIndex = 0;
    document.querySelectorAll(".md-code__nav").forEach((nav, index) => (nav.ariaLabel = `Code ${index + 1}`));
  };
  new MutationObserver(mend).observe(document.body, { childList: true, subtree: true });
  mend();
});
