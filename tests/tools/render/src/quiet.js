/* Tells when a page stands still: data there, fonts and icons there, and nothing more drawn. */

import { LoadingState } from '@grafana/data';
import { VizPanel, sceneGraph } from '@grafana/scenes';

const FRAMES = 4; // without anything going on; a panel that is measured draws in the one after

let pending = 0;
let changed = 0;
const fetchAsIs = window.fetch.bind(window);
window.fetch = async (...what) => {
  pending += 1;
  try {
    return await fetchAsIs(...what);
  } finally {
    pending -= 1;
    changed += 1;
  }
};

export async function standStill(scene) {
  const observer = new MutationObserver(() => {
    changed += 1;
  });
  const all = { subtree: true, childList: true, attributes: true, characterData: true };
  observer.observe(document.body, all);
  let quiet = 0;
  let seen = changed;
  while (quiet < FRAMES) {
    await frame();
    const busy = pending > 0 || loading(scene) || changed !== seen;
    quiet = busy ? 0 : quiet + 1;
    seen = changed;
  }
  await document.fonts.ready;
  await frame();
  observer.disconnect();
}

function frame() {
  return new Promise((resolve) => requestAnimationFrame(resolve));
}

function loading(scene) {
  const panels = sceneGraph.findAllObjects(scene, (each) => each instanceof VizPanel && each.isActive);
  return panels.some((panel) => {
    const provider = panel.state.$data;
    const state = provider?.state.data?.state;
    return provider && state !== LoadingState.Done && state !== LoadingState.Error;
  });
}
