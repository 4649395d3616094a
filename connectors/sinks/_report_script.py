"""The only script of a report: filters its rows, unfolds everything for print."""

from __future__ import annotations

import base64
import hashlib
from typing import Final

# No "<" and no "&": the report is well-formed XML as well as HTML.
SCRIPT: Final = """
"use strict";
(function () {
  var table = document.getElementById("violations");
  addEventListener("beforeprint", function () {
    document.querySelectorAll("details").forEach(function (each) { each.open = true; });
  });
  if (!table) { return; }
  var rows = Array.from(table.tBodies[0].rows);
  var chosen = ["severity", "sit", "asset"].map(function (name) {
    return { name: name, field: document.getElementById("by-" + name) };
  });
  function matches(row) {
    return chosen.every(function (each) {
      var wanted = each.field.value;
      return !wanted || row.dataset[each.name].split(" ").includes(wanted);
    });
  }
  function apply() {
    var shown = rows.filter(function (row) { row.hidden = !matches(row); return !row.hidden; });
    document.getElementById("shown").textContent = shown.length + " of " + rows.length + " shown";
  }
  chosen.forEach(function (each) { each.field.addEventListener("change", apply); });
  document.getElementById("filters").hidden = false;
  apply();
}());
"""

# What the content security policy allows: this script and no other.
SCRIPT_HASH: Final = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
