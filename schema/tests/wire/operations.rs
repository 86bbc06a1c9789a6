//! The contract of operations in the admin interface.

use schema::admin_capnp::{OperationEffect, OperationRole, operation_info};

use super::admin::members;
use super::contract::check;

#[test]
fn what_operations_say_keeps_the_wire() {
    check::<operation_info::Owned>(
        0xe742_8a3b_2ea2_b284,
        "OperationInfo",
        &[
            (0, "serviceId", "UInt64", ""),
            (1, "serviceName", "Text", ""),
            (2, "name", "Text", ""),
            (3, "about", "Text", ""),
            (4, "role", "OperationRole", ""),
            (5, "effect", "OperationEffect", ""),
            (6, "job", "Bool", ""),
            (7, "mayCall", "Bool", ""),
        ],
    );
    members::<OperationRole>(0xad0f_c221_673a_18b6, &["read", "operate", "admin"]);
    members::<OperationEffect>(0xc95c_2a1e_5b42_6708, &["reads", "changes", "destroys"]);
}
