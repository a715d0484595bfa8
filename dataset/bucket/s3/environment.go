package s3

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"gopkg.in/ini.v1"
)

// Environment is the Config that AWS's variables say, which getenv returns, and for what they leave open
// the profile in AWS's configuration file, ~/.aws/config, says: region, endpoint_url, ca_bundle.
func Environment(getenv func(name string) string) (Config, error) {
	first := func(names ...string) string {
		for _, n := range names {
			if v := getenv(n); v != "" {
				return v
			}
		}
		return ""
	}
	profile := getenv("AWS_PROFILE")
	said, err := configured(cmp.Or(getenv("AWS_CONFIG_FILE"), atHome(getenv)), cmp.Or(profile, "default"))
	if err != nil {
		return Config{}, err
	}
	role := first("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
		"AWS_CONTAINER_CREDENTIALS_FULL_URI") != ""
	cfg := Config{
		Endpoint:   cmp.Or(first("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"), said("endpoint_url")),
		Region:     cmp.Or(first("AWS_REGION", "AWS_DEFAULT_REGION"), said("region")),
		CABundle:   cmp.Or(first("AWS_CA_BUNDLE"), said("ca_bundle")),
		Profile:    profile,
		Role:       role,
		NoMetadata: first("AWS_EC2_METADATA_DISABLED") == "true" && !role,
	}
	switch {
	case first("AWS_WEB_IDENTITY_TOKEN_FILE") != "":
		cfg.RoleEndpoint = first("AWS_ENDPOINT_URL_STS")
	case !role:
		cfg.RoleEndpoint = first("AWS_EC2_METADATA_SERVICE_ENDPOINT")
	}
	return cfg, nil
}

// atHome is where AWS's tools keep their configuration.
func atHome(getenv func(name string) string) string {
	home := cmp.Or(getenv("HOME"), getenv("USERPROFILE"))
	if home == "" {
		return ""
	}
	return filepath.Join(home, ".aws", "config")
}

// configured are the values of a profile in a configuration file: none where either is missing, which
// the shared credentials file may have.
func configured(file, profile string) (value func(key string) string, err error) {
	none := func(string) string { return "" }
	if file == "" {
		return none, nil
	}
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return none, nil
	}
	if err != nil {
		return nil, fmt.Errorf("dataset: s3: configuration: %w", err)
	}
	all, err := ini.Load(data)
	if err != nil {
		return nil, fmt.Errorf("dataset: s3: configuration: %s: %w", file, err)
	}
	section, err := all.GetSection("profile " + profile)
	if err != nil && profile == "default" {
		section, err = all.GetSection(profile)
	}
	if err != nil {
		return none, nil //nolint:nilerr // there is no such profile
	}
	return func(key string) string { return section.Key(key).String() }, nil
}
