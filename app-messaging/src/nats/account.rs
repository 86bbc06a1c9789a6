//! How an application proves to a server who it is.
//!
//! Secrets stay in buffers that are overwritten. The client gets copies for the time of a handshake only.

use app_config::SecretBytes;
use async_nats::{Auth, AuthError};
use nkeys::KeyPair;

use crate::config::{Account, read_credentials, user_key};

/// The proof for one account.
#[derive(Default)]
pub(super) enum Proof {
    #[default]
    None,
    Nkey(SecretBytes),
    Jwt {
        jwt: SecretBytes,
        seed: SecretBytes,
    },
    User(String, SecretBytes),
    Token(SecretBytes),
}

fn copy(secret: &[u8]) -> SecretBytes {
    SecretBytes::from(secret.to_vec())
}

fn text(secret: &[u8]) -> Result<String, AuthError> {
    let text = std::str::from_utf8(secret).map_err(|_| AuthError::new("the account is no text"))?;
    Ok(text.to_owned())
}

impl Proof {
    /// The proof for an account of the config.
    pub(super) fn of(account: &Account) -> Result<Self, &'static str> {
        Ok(match account {
            Account::None => Self::None,
            Account::Credentials(credentials) => {
                let (jwt, seed) = read_credentials(credentials)?;
                Self::Jwt { jwt: copy(jwt), seed: copy(seed) }
            }
            Account::NkeySeed(seed) => {
                user_key(seed)?;
                Self::Nkey(copy(seed))
            }
            Account::User(user, password) => Self::User(user.clone(), copy(password)),
            Account::Token(token) => Self::Token(copy(token)),
        })
    }

    /// What a server gets that sent this nonce.
    pub(super) fn answer(&self, nonce: &[u8]) -> Result<Auth, AuthError> {
        let mut auth = Auth::default();
        match self {
            Self::None => {}
            Self::Nkey(seed) => {
                let key = user_key(seed).map_err(AuthError::new)?;
                auth.signature = Some(sign(&key, nonce)?);
                auth.nkey = Some(key.public_key());
            }
            Self::Jwt { jwt, seed } => {
                let key = user_key(seed).map_err(AuthError::new)?;
                auth.signature = Some(sign(&key, nonce)?);
                auth.jwt = Some(text(jwt)?);
            }
            Self::User(user, password) => {
                auth.username = Some(user.clone());
                auth.password = Some(text(password)?);
            }
            Self::Token(token) => auth.token = Some(text(token)?),
        }
        Ok(auth)
    }

    /// The fields of the config that hold it.
    pub(super) fn fields(&self) -> &'static str {
        match self {
            Self::None => "credentials, nkeySeed, user with password, or token: the config has none of them",
            Self::Nkey(_) => "nkeySeed",
            Self::Jwt { .. } => "credentials",
            Self::User(..) => "user and password",
            Self::Token(_) => "token",
        }
    }
}

fn sign(key: &KeyPair, nonce: &[u8]) -> Result<Vec<u8>, AuthError> {
    key.sign(nonce).map_err(|_| AuthError::new("the key can't sign"))
}

#[cfg(test)]
mod tests;
