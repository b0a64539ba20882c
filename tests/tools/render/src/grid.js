/* Where each panel stands, with those that are repeated for each value of a variable.

Pure: takes the panels of a dashboard's JSON and returns sections, as Grafana lays them out: a
repeated panel across takes a share of the whole width, one below the other otherwise; whatever is
below moves down.
*/

const COLUMNS = 24;
const MOST_ASIDE = 4; // when a panel does not tell maxPerRow
const ONCE = [undefined];

/* [{row, scope, y, placed: [{panel, scope, x, y, width, height}]}]; the first may have no row.

`valuesOf` returns the scopes of a panel: for each chosen value of its variable what is needed to
show it, or nothing for a panel that is not repeated.
*/
export function arrange(panels, valuesOf) {
  const arranged = [];
  let down = 0; // by how much what was repeated moved the rest
  for (const { row, inside } of sections(panels)) {
    const scopes = (row && valuesOf(row)) ?? ONCE;
    scopes.forEach((scope, index) => {
      if (index > 0) {
        down += row.collapsed ? 1 : 1 + extent(inside);
      }
      const { placed, grown } = place(inside, valuesOf, down);
      arranged.push({ row, scope, y: (row?.gridPos.y ?? 0) + down, placed });
      down += row?.collapsed ? 0 : grown;
    });
  }
  return arranged;
}

function sections(panels) {
  const found = [{ row: undefined, inside: [] }];
  for (const panel of panels) {
    if (panel.type === 'row') {
      found.push({ row: panel, inside: panel.collapsed ? (panel.panels ?? []) : [] });
    } else {
      found.at(-1).inside.push(panel);
    }
  }
  return found;
}

function extent(panels) {
  const ends = panels.map(({ gridPos }) => gridPos.y + gridPos.h);
  return panels.length ? Math.max(...ends) - Math.min(...panels.map((each) => each.gridPos.y)) : 0;
}

function place(panels, valuesOf, down) {
  const placed = [];
  const growths = []; // [from which y on, by how much]
  for (const panel of panels) {
    const { x, y, w, h } = panel.gridPos;
    const scopes = valuesOf(panel) ?? ONCE;
    const across = panel.repeat && panel.repeatDirection !== 'v';
    const aside = across ? Math.min(scopes.length, panel.maxPerRow ?? MOST_ASIDE) : 1;
    const width = across ? COLUMNS / aside : w;
    const moved = growths.reduce((sum, [from, by]) => (y >= from ? sum + by : sum), down);
    scopes.forEach((scope, index) => {
      placed.push({
        panel,
        scope,
        x: across ? (index % aside) * width : x,
        y: y + moved + Math.floor(index / aside) * h,
        width,
        height: h,
      });
    });
    growths.push([y + h, (Math.ceil(scopes.length / aside) - 1) * h]);
  }
  return { placed, grown: growths.reduce((sum, [, by]) => sum + by, 0) };
}
