// Package blobs opens buckets of Google Cloud Storage and containers of Azure Blob Storage, by
// gocloud.dev/blob. It lies in the Beam program's module alone, for the three clients take forty
// megabytes.
//
// Google's credentials are the application's default ones, as GOOGLE_APPLICATION_CREDENTIALS names
// them; without any, requests are not signed. Azure's come from AZURE_STORAGE_ACCOUNT and
// AZURE_STORAGE_KEY, AZURE_STORAGE_SAS_TOKEN or AZURE_STORAGE_CONNECTION_STRING, else from Azure's
// default chain. An object's version is its generation with Google and its ETag with Azure.
//
// Uploads that a killed process leaves cannot be seen: Azure forgets their blocks after a week or with
// the next object of that name, Google its sessions after a week.
package blobs
