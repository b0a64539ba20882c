import { useStyles2 } from '@grafana/ui';
import { css } from '@emotion/css';
import React from 'react';

/* What a graph or a table shows without data: the text of the option "No value", if there is one. */
export function NoData({ config }) {
  const style = useStyles2((theme) =>
    css({
      display: 'flex',
      alignItems: 'center',
      justifyContent: 'center',
      width: '100%',
      height: '100%',
      textAlign: 'center',
      fontSize: theme.typography.h3.fontSize,
      color: theme.colors.text.secondary,
    })
  );
  return <div className={style}>{config.defaults.noValue || 'No data'}</div>;
}
