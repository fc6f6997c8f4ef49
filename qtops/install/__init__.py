"""What qtops puts on a host, as text: units, a timer, a line for cron. Nothing is started here."""
