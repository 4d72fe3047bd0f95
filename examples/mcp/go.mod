module github.com/sojourn-auth/sojourn/examples/mcp

go 1.26.0

// Outside of this repository the module's released version does.
replace github.com/sojourn-auth/sojourn/sdk/go => ../../sdk/go

require (
	github.com/modelcontextprotocol/go-sdk v1.8.0
	github.com/sojourn-auth/sojourn/sdk/go v0.0.0-00010101000000-000000000000
	golang.org/x/oauth2 v0.38.0
)

require (
	github.com/go-jose/go-jose/v4 v4.1.8 // indirect
	github.com/google/jsonschema-go v0.4.3 // indirect
	github.com/segmentio/asm v1.1.3 // indirect
	github.com/segmentio/encoding v0.5.4 // indirect
	github.com/yosida95/uritemplate/v3 v3.0.2 // indirect
	golang.org/x/sync v0.20.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
	golang.org/x/time v0.15.0 // indirect
)
