package anomaly

// Kept is how many versions of apps are remembered.
func (w *Watch) Kept() int {
	w.live.mu.Lock()
	defer w.live.mu.Unlock()
	return len(w.live.versions)
}
