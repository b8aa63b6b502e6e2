"""What every process shows of itself over HTTP: its metrics, whether it is alive, whether it is ready."""
