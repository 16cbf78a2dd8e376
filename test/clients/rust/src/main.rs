//! The AWS SDK for Rust.

use aws_config::BehaviorVersion;
use aws_sdk_secretsmanager::{Client, Error};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let client = Client::new(&aws_config::load_defaults(BehaviorVersion::latest()).await);
    let name = std::env::var("SECRET").expect("SECRET is set");
    read(&client, &name, "AWSCURRENT").await?;
    client.put_secret_value().secret_id(&name).secret_string("second").send().await?;
    read(&client, &name, "AWSCURRENT").await?;
    read(&client, &name, "AWSPREVIOUS").await?;
    let missing = client.describe_secret().secret_id("missing").send().await;
    println!("{}", missing.is_err_and(|error| error.into_service_error().is_resource_not_found_exception()));
    Ok(())
}

async fn read(client: &Client, name: &str, stage: &str) -> Result<(), Error> {
    let answer = client.get_secret_value().secret_id(name).version_stage(stage).send().await?;
    println!("{}", answer.secret_string().unwrap_or_default());
    Ok(())
}
