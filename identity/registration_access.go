package identity

import "slices"

// FormatReference is the access_token_format of clients whose access tokens are sealed pointers to their Session; any
// other client's are JWTs (RFC 9068).
const FormatReference = "reference"

// cleanAccess judges how the client gets its access tokens, and how it is told about others'. Which resource servers it
// may ask for is the operator's to say: RFC 8707 §3 warns of clients that could have tokens for any.
func cleanAccess(m *Metadata) error {
	m.Resources = nil
	if !slices.Contains([]string{"", "jwt", FormatReference}, m.AccessFormat) {
		return RefuseField("access_token_format", "Use jwt or reference.")
	}
	// RFC 9701 §6: RS256 where none is said. none would be no protection.
	if m.IntrospectionAlg != "" && !slices.Contains(idTokenAlgs, m.IntrospectionAlg) {
		return RefuseField("introspection_signed_response_alg", "Use RS256, ES256 or EdDSA, or leave it out.")
	}
	return nil
}

// CleanResources returns the resource servers that an operator lets a client ask for, each once, or the refusal of one.
func CleanResources(uris []string) ([]string, error) {
	for _, uri := range uris {
		if err := CheckResource(uri); err != nil {
			return nil, err
		}
	}
	return once(uris), nil
}
