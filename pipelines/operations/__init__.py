"""Operations: what keeps an installation well: alerts, logs, status, retention, backups, runs that died."""
