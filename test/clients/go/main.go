// The AWS SDK for Go.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
)

func main() {
	ctx := context.Background()
	settings, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		log.Fatal(err)
	}
	client := secretsmanager.NewFromConfig(settings)
	name := aws.String(os.Getenv("SECRET"))
	read := func(stage string) {
		answer, err := client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: name, VersionStage: aws.String(stage)})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(*answer.SecretString)
	}
	read("AWSCURRENT")
	if _, err := client.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{SecretId: name, SecretString: aws.String("second")}); err != nil {
		log.Fatal(err)
	}
	read("AWSCURRENT")
	read("AWSPREVIOUS")
	_, err = client.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: aws.String("missing")})
	var missing *types.ResourceNotFoundException
	fmt.Println(errors.As(err, &missing))
}
