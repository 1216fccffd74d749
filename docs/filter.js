// A field above every long table that leaves only the rows with the words that are typed into it.
document$.subscribe(() => {
  for (const table of document.querySelectorAll("article table")) {
    const rows = [...table.tBodies[0].rows];
    if (rows.length < 40 || table.previousElementSibling?.classList.contains("polyad-filter")) continue;
    const field = document.createElement("input");
    field.type = "search";
    field.className = "polyad-filter md-input md-input--stretch";
    field.placeholder = `Filter ${rows.length} rows, for example: linalg`;
    field.setAttribute("aria-label", "Filter the rows of the table");
    field.addEventListener("input", () => {
      const words = field.value.toLowerCase().split(/\s+/);
      for (const row of rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
      }
    });
    (table.closest(".md-typeset__scrollwrap") ?? table).before(field);
  }
});
