/* The properties of fields that all panels know, and how a panel adds its own.

Which ones there are, their paths and defaults: Grafana, "Standard options" and the schema in
@grafana/schema. The processors are Grafana's; editors there are none, as nobody edits here.
*/

import {
  FieldColorModeId,
  FieldConfigProperty,
  ThresholdsMode,
  booleanOverrideProcessor,
  dataLinksOverrideProcessor,
  displayNameOverrideProcessor,
  identityOverrideProcessor,
  numberOverrideProcessor,
  stringOverrideProcessor,
  thresholdsOverrideProcessor,
  unitOverrideProcessor,
  valueMappingsOverrideProcessor,
} from '@grafana/data';

const nothing = () => null;

const THRESHOLDS = {
  mode: ThresholdsMode.Absolute,
  steps: [
    { value: -Infinity, color: 'green' },
    { value: 80, color: 'red' },
  ],
};

export function standardFields() {
  return [
    standard('displayName', displayNameOverrideProcessor),
    standard('unit', unitOverrideProcessor),
    standard('min', numberOverrideProcessor),
    standard('max', numberOverrideProcessor),
    standard('fieldMinMax', booleanOverrideProcessor),
    standard('decimals', numberOverrideProcessor),
    standard('noValue', stringOverrideProcessor),
    standard('color', identityOverrideProcessor, { mode: FieldColorModeId.Thresholds }),
    standard('links', dataLinksOverrideProcessor, []),
    standard('mappings', valueMappingsOverrideProcessor, []),
    standard('thresholds', thresholdsOverrideProcessor, THRESHOLDS),
    standard('filterable', booleanOverrideProcessor),
    standard('description', stringOverrideProcessor),
  ];
}

function standard(id, process, defaultValue) {
  return {
    id,
    path: id,
    name: id,
    description: '',
    process,
    shouldApply: () => true,
    editor: nothing,
    override: nothing,
    settings: {},
    ...(defaultValue === undefined ? {} : { defaultValue }),
  };
}

/* For PanelPlugin.useFieldConfig: `custom` are the panel's own properties with their defaults. */
export function fieldConfig(custom = {}, color = undefined) {
  return {
    standardOptions: color ? { [FieldConfigProperty.Color]: { defaultValue: { mode: color } } } : {},
    useCustomConfig: (builder) => {
      for (const [path, defaultValue] of Object.entries(custom)) {
        builder.addCustomEditor({
          id: path,
          path,
          name: path,
          defaultValue,
          editor: nothing,
          override: nothing,
          process: identityOverrideProcessor,
          shouldApply: () => true,
        });
      }
    },
  };
}

/* For PanelPlugin.setPanelOptions. */
export function panelOptions(defaults) {
  return (builder) => {
    for (const [path, defaultValue] of Object.entries(defaults)) {
      builder.addCustomEditor({ id: path, path, name: path, defaultValue, editor: nothing });
    }
  };
}
