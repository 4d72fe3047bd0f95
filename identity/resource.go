package identity

import (
	"net/url"
	"slices"
	"strings"
)

// MaxResources is how many resource servers one authorization may name.
const MaxResources = 5

// CheckResource judges the name of a resource server (RFC 8707 §2): nil, or an Invalid refusal of resources that says what
// would be right. Right is an absolute URI without a fragment, of at most 512 bytes.
func CheckResource(uri string) error {
	if err := checkText("resources", uri); err != nil {
		return err
	}
	u, err := url.Parse(uri)
	nowhere := err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host == ""
	if err != nil || !u.IsAbs() || u.User != nil || nowhere || strings.Contains(uri, "#") {
		return RefuseField("resources", "Use an absolute URI without a fragment (#), such as https://api.example.com/.")
	}
	return nil
}

// Reaches reports whether the client may ask for access tokens for a resource server. Names are compared character for
// character (RFC 3986 §6.2.1): what it is called is what its tokens will say.
func (c Client) Reaches(resource string) bool { return slices.Contains(c.Resources, resource) }

// ResourcesOf returns the resource servers that a request names, each once (RFC 8707 §2). Of too many it returns
// MaxResources and one more, which is enough to refuse them.
func ResourcesOf(params url.Values) (resources []string) {
	for _, uri := range params["resource"] {
		if len(resources) <= MaxResources && !slices.Contains(resources, uri) {
			resources = append(resources, uri)
		}
	}
	return resources
}
