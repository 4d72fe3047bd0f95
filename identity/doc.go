// Package identity is the domain: users, sign-ins, sessions, clients, grants and events, and the rules between them.
//
// Its one rule: a promise that Sojourn makes to a person or an app is kept here, in one place, without I/O. What must be
// read or written is asked of small interfaces that storage satisfies; what must be random comes from crypto/rand; what
// depends on time takes it as a value.
//
// It must not import anything else of ours, nor a web framework, an ORM or an OAuth library: the protocol's spelling of
// these words (sub, sid, scope strings, RFC 6749 errors) and its keys belong to package oauth, their rows to package
// storage, pages to package web. zxcvbn alone is at home here: how strong a password must be is a promise. So are the names
// of the cookies and what session_state is made of: oauth and web must agree on them, and neither knows the other.
package identity
