/* Stands for a file of @grafana/schema that lacks what @grafana/scenes imports for its builders of
panels, and for an editor of code: the page uses neither. */

export const defaultOptions = {};
