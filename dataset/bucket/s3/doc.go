// Package s3 opens buckets of Amazon S3 and of services that speak its protocol, by minio-go.
//
// Credentials are looked for where AWS's own tools do: the environment, the shared credentials
// file, a web identity, a container's or a machine's role; without any, requests are not signed,
// which public buckets answer.
package s3
