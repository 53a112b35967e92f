"""overfit-monitor and TensorBoard: a writer of alerts, a reader of event files, and the tab "Overfit"."""
