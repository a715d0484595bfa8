package s3

// Environment is the Config that AWS's variables say, which getenv returns:
//
//	AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL  the service; none is Amazon's
//	AWS_REGION, AWS_DEFAULT_REGION         the buckets' region
//	AWS_CA_BUNDLE                          certificates to trust besides the system's
//	AWS_EC2_METADATA_DISABLED=true         asks no machine for its role
//
// Credentials are not among it: the client looks for them itself.
func Environment(getenv func(name string) string) (Config, error) {
	first := func(names ...string) string {
		for _, n := range names {
			if v := getenv(n); v != "" {
				return v
			}
		}
		return ""
	}
	cfg := Config{Endpoint: first("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
		Region: first("AWS_REGION", "AWS_DEFAULT_REGION"), CABundle: first("AWS_CA_BUNDLE"),
		NoMetadata: first("AWS_EC2_METADATA_DISABLED") == "true" && first("AWS_WEB_IDENTITY_TOKEN_FILE",
			"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI") == ""}
	return cfg, nil
}
