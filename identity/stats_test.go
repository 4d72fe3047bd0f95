package identity_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/sojourn-auth/sojourn/identity"
)

// Whoever knows the sum of all takes off the parts that they are told of: what is left is of two parts and five devices at least, or
// nothing is left. And no part is left out that hides nobody.
func TestTellable_whatIsLeftOutIsNobodyInParticular(t *testing.T) {
	t.Parallel()
	dice := rand.New(rand.NewPCG(15, 2))
	for range 20_000 {
		parts := make([]identity.Part, dice.IntN(70))
		for i := range parts {
			parts[i].Devices = dice.Int64N(1 + dice.Int64N(20))
		}
		slices.SortFunc(parts, func(a, b identity.Part) int { return int(b.Devices - a.Devices) })
		told := identity.Tellable(parts)
		left := int64(0)
		for _, p := range parts[told:] {
			left += p.Devices
		}
		switch hidden := len(parts) - told; {
		case told > 50 || told > 0 && parts[told-1].Devices < identity.SmallGroup:
			t.Fatalf("%d are told of: %v", told, parts)
		case told > 0 && hidden > 0 && (hidden < 2 || left < identity.SmallGroup):
			t.Fatalf("told %d, and what is left is %d: %v", told, left, parts)
		case hidden > 0 && len(parts) <= 50 && parts[len(parts)-1].Devices >= identity.SmallGroup:
			t.Fatalf("%d are left out and nobody is small: %v", hidden, parts)
		case hidden > 2 && parts[told].Devices >= identity.SmallGroup && parts[told+1].Devices >= identity.SmallGroup && len(parts) <= 50:
			t.Fatalf("two that are large enough are left out, and one would do: %v", parts[told:])
		}
	}
}
