package ts

import "testing"

// The library for APIs is a package of its own, in resource: its tests run in real Express and Fastify. sdk/contract/resource
// plays it against servers.
func TestResource_suite(t *testing.T) {
	node(t, "resource", "node", "../build.mjs", "--tests")
	tests(t, "resource/build/test/*.test.js")
}

func TestResource_thePackageIsUsed(t *testing.T) {
	consume(t, "resource", "401", "@types", "express", "fastify")
}
