package s3

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/minio/minio-go/v7/pkg/credentials"
)

// chain asks providers for credentials, in their order. minio-go's own passes over what fails, so that a
// profile with a slip of the pen ends as a request that is not signed.
type chain struct {
	links   []link
	current credentials.Provider
	none    time.Time // when it is asked again, once none had any
}

// noneFor is how long requests go on unsigned before credentials are looked for again: asking a machine for
// its role takes seconds where there is none.
const noneFor = time.Minute

// link is a provider, and what it is called where it was asked for: its failure is an error then.
type link struct {
	credentials.Provider
	asked string
}

// newChain is the chain of a Config; roles are asked for through transport.
func newChain(cfg Config, transport http.RoundTripper) *credentials.Credentials {
	c := &chain{links: []link{{&credentials.EnvAWS{}, ""}}}
	file := link{&credentials.FileAWSCredentials{Profile: cfg.Profile}, ""}
	if cfg.Profile != "" {
		file.asked = fmt.Sprintf("profile %q of AWS_PROFILE", cfg.Profile)
	}
	c.links = append(c.links, file)
	if !cfg.NoMetadata {
		role := link{&credentials.IAM{Client: &http.Client{Timeout: roleTimeout, Transport: transport}, Region: cfg.Region,
			Endpoint: cfg.RoleEndpoint}, ""}
		if cfg.Role {
			role.asked = "the role of the container or the web identity"
		}
		c.links = append(c.links, role)
	}
	return credentials.New(c)
}

// RetrieveWithCredContext implements credentials.Provider. Without credentials requests are not signed.
func (c *chain) RetrieveWithCredContext(ctx *credentials.CredContext) (credentials.Value, error) {
	var failed error
	for _, l := range c.links {
		v, err := l.RetrieveWithCredContext(ctx)
		if err == nil && v.AccessKeyID != "" && v.SecretAccessKey != "" {
			c.current = l
			return v, nil
		}
		if err != nil && l.asked != "" {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", l.asked, err))
		}
	}
	if failed != nil {
		return credentials.Value{}, fmt.Errorf("credentials: %w", failed)
	}
	c.current, c.none = nil, time.Now().Add(noneFor)
	return credentials.Value{SignerType: credentials.SignatureAnonymous}, nil
}

// Retrieve implements credentials.Provider.
func (c *chain) Retrieve() (credentials.Value, error) { return c.RetrieveWithCredContext(nil) }

// IsExpired implements credentials.Provider.
func (c *chain) IsExpired() bool {
	if c.current == nil {
		return !time.Now().Before(c.none)
	}
	return c.current.IsExpired()
}
