/* The bar at the top: where one is. */

import { css } from '@emotion/css';
import { Icon, useStyles2 } from '@grafana/ui';
import React from 'react';

export function Head({ dashboard }) {
  const styles = useStyles2(headStyles);
  return (
    <header className={styles}>
      <span>Home</span>
      <Icon name="angle-right" />
      <span>Dashboards</span>
      <Icon name="angle-right" />
      <h1>{dashboard.title}</h1>
    </header>
  );
}

function headStyles(theme) {
  return css({
    display: 'flex',
    alignItems: 'center',
    gap: theme.spacing(1),
    minHeight: 40,
    padding: theme.spacing(0, 2),
    background: theme.colors.background.primary,
    borderBottom: `1px solid ${theme.colors.border.weak}`,
    color: theme.colors.text.secondary,
    whiteSpace: 'nowrap',
    overflow: 'hidden',
    '& h1': { ...theme.typography.body, margin: 0, color: theme.colors.text.primary },
  });
}
