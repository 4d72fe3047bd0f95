package identity

import "strings"

// Family is a family of platforms that a program runs on, as it says itself. An app stays in its family as long as it is
// installed: who presents its token from another one has it from somewhere else.
type Family string

// The families. What a browser says when it asks for the desktop's page stays in the family of the phone.
const (
	FamilyUnknown Family = ""
	FamilyApple   Family = "apple"
	FamilyLinux   Family = "linux" // Android, too
	FamilyWindows Family = "windows"
	FamilyProgram Family = "program" // a script's own name: it runs on anything
)

// familySigns are parts of a User-Agent, or of Sec-CH-UA-Platform, and what they tell. The first that is found counts.
var familySigns = []struct {
	part   string
	family Family
}{
	{"iphone", FamilyApple},
	{"ipad", FamilyApple},
	{"windows phone", FamilyWindows},
	{"android", FamilyLinux},
	{"okhttp", FamilyLinux},
	{"dalvik", FamilyLinux},
	{"cfnetwork", FamilyApple},
	{"darwin/", FamilyApple},
	{"macintosh", FamilyApple},
	{"macos", FamilyApple},
	{"ios/", FamilyApple},
	{"windows", FamilyWindows},
	{"cros", FamilyLinux},
	{"chrome os", FamilyLinux},
	{"linux", FamilyLinux},
	{"curl/", FamilyProgram},
	{"wget/", FamilyProgram},
	{"python", FamilyProgram},
	{"go-http-client", FamilyProgram},
	{"postmanruntime", FamilyProgram},
	{"libwww-perl", FamilyProgram},
	{"httpie/", FamilyProgram},
}

// FamilyOf reads a family from what a program says of itself, be it a User-Agent or a platform's name. Nobody has to say the truth.
func FamilyOf(said string) Family {
	said = strings.ToLower(said)
	for _, sign := range familySigns {
		if strings.Contains(said, sign.part) {
			return sign.family
		}
	}
	if said == `"ios"` {
		return FamilyApple
	}
	return FamilyUnknown
}

// Contradicts says how far two families of one Session contradict each other: 2 where both are platforms and not the same, 1
// where one is a script's, 0 where nobody can tell.
func (f Family) Contradicts(other Family) float64 {
	switch {
	case f == other || f == FamilyUnknown || other == FamilyUnknown:
		return 0
	case f == FamilyProgram || other == FamilyProgram:
		return 1
	}
	return 2
}
