package identity

// cleanRotation keeps a refresh token that never changes from whoever could only ever show that token: a copy of it would
// be as good as the original, for ever and unseen (RFC 9700 §2.2.2).
func cleanRotation(m *Metadata) error {
	switch m.Rotation {
	case "", RotateForking, RotateStrict:
		return nil
	case RotateNone:
		if m.AuthMethod != "none" || m.DPoPBound {
			return nil
		}
		return RefuseField("refresh_rotation", "The value none needs a client that authenticates, or one with "+
			"dpop_bound_access_tokens. Use rotate or strict.")
	default:
		return RefuseField("refresh_rotation", "Use rotate, strict or none.")
	}
}
