from django.db import migrations


class Migration(migrations.Migration):
    """A better name for a column."""

    dependencies = [("shop", "0003_index_created_at")]
    operations = [migrations.RenameField("customer", "name", "full_name")]
